{{ config(partition_column='received_date') }}

-- Outputs are long and few of them are ever asked about: what each one's own log tells of it is worked out on the day on
-- which it is received, and whoever looks for uncertain ones reads numbers.
with first_lines as (
    select received_date, source_file, source_line
    from {{ ref('int_inference_receipts') }}
    where {{ in_window('received_date') }} and is_first and exposed is distinct from false
),

lines as (
    select
        received_date, source_file, source_line, request_id,
        json_extract(output, '$.logprobs') as logprobs,
        case when contains(output, '"score"') then {{ scores_to_choose_from('output') }} end as scores,
        -- The score of a generated text is in a unit of its own; that of a class is taken for its probability.
        case
            when {{ json_text('output', '$.label') }} is not null or {{ json_text('output', '$.text') }} is null
                then try_cast({{ json_text('output', '$.score') }} as double)
        end as score,
        case when contains(components, 'ensemble_member') then components end as components
    from {{ ref('stg_inferences') }}
    where {{ in_window('received_date') }}
        and (contains(output, '"logprobs"') or contains(output, '"score"') or contains(components, 'ensemble_member'))
),

measured as (
    select
        lines.received_date, lines.source_file, lines.source_line, lines.request_id, lines.components,
        {{ as_uncertainty('1 - exp(list_avg(' ~ token_logprobs('lines.logprobs') ~ '))') }} as low_confidence,
        case
            when len(lines.scores) > 1 then
                case
                    when lines.scores[1] <= 1 and lines.scores[-1] >= 0
                        then {{ as_uncertainty('1 - (lines.scores[1] - lines.scores[2])') }}
                end
            when lines.score between 0 and 1 then {{ as_uncertainty('1 - abs(2 * lines.score - 1)') }}
        end as uncertain_score
    from lines
    inner join first_lines using (received_date, source_file, source_line)
),

ensembles as (
    select received_date, source_file, source_line, components
    from measured
    where components is not null
),

members as (
    {{ json_elements('ensembles', 'components') }}
),

answers as (
    select
        received_date, source_file, source_line, {{ normalized_text(said("json_extract(element, '$.output')")) }} as said
    from members
    where json_type(element) = 'OBJECT' and {{ json_text('element', '$.kind') }} = 'ensemble_member'
        and {{ said("json_extract(element, '$.output')") }} is not null
),

-- Members that said the same are counted together, so that only what differs is compared.
groups as (
    select received_date, source_file, source_line, said, count(*) as members
    from answers
    group by all
),

ensembles_groups as (
    select
        received_date, source_file, source_line,
        list({'said': said, 'members': members} order by said) as groups
    from groups
    group by all
),

each_group as (
    select *, unnest(groups) as one
    from ensembles_groups
),

with_another as (
    select
        received_date, source_file, source_line, one,
        unnest(list_filter(groups, lambda other: other.said >= one.said)) as another
    from each_group
),

pairs as (
    select
        received_date, source_file, source_line, one.said as said, another.said as other,
        case
            when one.said = another.said then one.members * (one.members - 1) / 2
            else one.members * another.members
        end as pairs,
        case
            when one.said = another.said then 1.0
            else {{ text_agreement('one.said', 'another.said') }}
        end as agreement
    from with_another
),

ensemble_disagreements as (
    select
        received_date, source_file, source_line,
        {{ as_uncertainty('1 - sum(pairs * agreement order by said, other) / sum(pairs)') }} as ensemble_disagreement
    from pairs
    group by all
    having sum(pairs) > 0
),

final as (
    select
        measured.request_id, measured.source_file, measured.source_line,
        measured.low_confidence, measured.uncertain_score, ensemble_disagreements.ensemble_disagreement,
        measured.received_date
    from measured
    left join ensemble_disagreements using (received_date, source_file, source_line)
    where measured.low_confidence > 0 or measured.uncertain_score > 0
        or ensemble_disagreements.ensemble_disagreement > 0
),

-- What was found before the texts went.
findings as (
    select kept.*
    from (
        {{ text_findings('int_output_uncertainties', {
            'request_id': 'VARCHAR', 'source_file': 'VARCHAR', 'source_line': 'BIGINT', 'low_confidence': 'DOUBLE',
            'uncertain_score': 'DOUBLE', 'ensemble_disagreement': 'DOUBLE', 'received_date': 'DATE',
        }) }}
    ) as kept
    semi join first_lines using (received_date, source_file, source_line)
)

select * from findings
union all by name
select * from final
anti join findings using (received_date, source_file, source_line)
