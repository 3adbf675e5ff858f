{{ config(partition_column='received_date', window_from_var='status_from') }}

{{ feedback_states(as_of="date '" ~ var("as_of") ~ "'", received=in_window('@', 'status_from')) }}
