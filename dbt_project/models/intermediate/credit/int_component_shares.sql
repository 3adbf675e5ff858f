{{ config(partition_column='attributed_date') }}

with pairs as (
    select
        feedback_id, request_id, reward, target_kind, target_id, components,
        -- What the members' outputs are held against: what the feedback says is right, or else what was shown.
        coalesce(corrected_output, label, output_text, {{ said('output') }}) as meant,
        attributed_date
    from {{ ref('attributed_feedback') }} as attributed_feedback
    where {{ in_window('attributed_date') }} and components is not null and feedback_type <> 'retraction'
        -- Feedback on a chunk says nothing of the other parts.
        and target_kind is distinct from 'chunk'
        -- Who judges a whole session does not blame its last answer's parts alone.
        and not {{ is_on_session('attributed_feedback', 'matched_by') }}
),

elements as (
    {{ json_elements('pairs', 'components') }}
),

components as (
    select
        * exclude (element, target_kind, target_id, meant),
        {{ json_text('element', '$.name') }} as component,
        lower({{ json_text('element', '$.kind') }}) as kind,
        {{ json_text('element', '$.model_version') }} as model_version,
        {{ json_weight('element', '$.weight') }} as weight,
        {{ said("json_extract(element, '$.output')") }} as said,
        target_kind is not distinct from 'component' as is_explicit,
        coalesce(target_kind = 'component' and component = target_id, false) as is_target,
        meant
    from elements
    where json_type(element) = 'OBJECT'
),

-- A router's output is the name of the branch that it chose.
choices as (
    select distinct feedback_id, said as component
    from components
    where kind = 'router' and said is not null
),

routed as (
    select
        components.*,
        choices.component is not null and kind is distinct from 'router' as is_chosen,
        bool_or(choices.component is not null and kind is distinct from 'router')
            over (partition by components.feedback_id) as has_choice,
        -- The part that the answer came from is the last of these that is there.
        case kind
            when 'ensemble_member' then 1
            when 'tool' then 3
            when 'reranker' then 4
            when 'retriever' then 5
            when 'router' then 6
            else 2
        end as stage
    from components
    left join choices
        on components.feedback_id = choices.feedback_id and components.component = choices.component
),

on_path as (
    select
        *,
        min(stage) filter (where is_chosen or not has_choice) over (partition by feedback_id) as answering_stage
    from routed
),

answering as (
    select
        *,
        case
            when is_explicit then is_target
            else (is_chosen or not has_choice) and stage = answering_stage
        end as is_answering,
        case
            when kind = 'ensemble_member' and said is not null and meant is not null
                then {{ text_agreement('said', 'meant') }}
        end as agreement
    from on_path
),

-- Weights count against the largest, so that huge ones add up to a number.
weighted as (
    select
        *,
        weight / nullif(max(weight) filter (where is_answering) over (partition by feedback_id), 0) as scaled_weight
    from answering
),

summed as (
    select
        *,
        count(*) filter (where is_answering) over of_feedback as answering_parts,
        sum(scaled_weight) filter (where is_answering) over of_feedback as sum_of_weights,
        sum(agreement) filter (where is_answering) over of_feedback as sum_of_agreements
    from weighted
    window of_feedback as (
        partition by feedback_id order by position rows between unbounded preceding and unbounded following
    )
),

shares as (
    select
        *,
        case when is_answering then 1.0 / answering_parts else 0 end as share_equal,
        case when is_answering and sum_of_weights > 0 then coalesce(scaled_weight, 0) / sum_of_weights end as share_weight,
        case when is_answering and sum_of_agreements > 0 then coalesce(agreement, 0) / sum_of_agreements end
            as share_agreement
    from summed
),

final as (
    select
        feedback_id, request_id, position, component, kind, model_version, weight, agreement, reward,
        case
            when is_explicit then 'explicit'
            when not is_answering and has_choice and (kind = 'router' or not is_chosen) then 'chosen_branch'
            when not is_answering then 'supporting'
            when answering_parts = 1 and has_choice then 'chosen_branch'
            when answering_parts = 1 then 'sole'
        end as sole_method,
        share_equal, share_weight, share_agreement, attributed_date
    from shares
),

-- What was found before the texts went.
findings as (
    select kept.*
    from (
        {{ text_findings('int_component_shares', {
            'feedback_id': 'VARCHAR', 'request_id': 'VARCHAR', 'position': 'BIGINT', 'component': 'VARCHAR',
            'kind': 'VARCHAR', 'model_version': 'VARCHAR', 'weight': 'DOUBLE', 'agreement': 'DOUBLE', 'reward': 'DOUBLE',
            'sole_method': 'VARCHAR', 'share_equal': 'DOUBLE', 'share_weight': 'DOUBLE', 'share_agreement': 'DOUBLE',
            'attributed_date': 'DATE',
        }) }}
    ) as kept
    semi join pairs using (feedback_id, attributed_date)
)

select * from findings
union all by name
select * from final
anti join findings using (feedback_id)
