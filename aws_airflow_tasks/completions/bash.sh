_aws_airflow() {
    local current="$2" line
    [ "$current" = = ] && current=""
    COMPREPLY=()
    while IFS= read -r line; do
        case "$line" in "$current"*) COMPREPLY+=("$(printf '%q' "$line")") ;; esac
    done < <(_aws_airflow_candidates "${COMP_WORDS[0]/#\~/$HOME}" "${COMP_WORDS[@]:1:COMP_CWORD}")
}

complete -o default -F _aws_airflow aws-airflow invoke inv
