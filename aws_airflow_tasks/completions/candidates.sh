# What may stand for the last of the words: _aws_airflow_candidates PROGRAM WORD...
_aws_airflow_candidates() {
    local program="$1" ours found last="" before=""
    shift
    for found in "$@"; do before="$last" last="$found"; done
    case "${program##*/}" in
    invoke | inv)
        case "$program" in
        */*) ours="${program%/*}/aws-airflow" ;;
        *) ours=aws-airflow ;;
        esac
        case "$before/$last" in # a value, which invoke knows none of
        -* | "="* | */"=" | */-*"="*)
            if found="$("$ours" --complete -- invoke "$@" 2>/dev/null)" && [ -n "$found" ]; then
                printf '%s\n' "$found"
                return
            fi
            ;;
        esac
        "$program" --complete -- "invoke $*" 2>/dev/null
        ;;
    *)
        if found="$("$program" --complete -- aws-airflow "$@" 2>/dev/null)" && [ -n "$found" ]; then # else it is an error
            printf '%s\n' "$found"
        fi
        ;;
    esac
}
