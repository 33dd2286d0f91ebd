# The word as the shell takes it, without its quotes or backslashes: _aws_airflow_plain VARIABLE WORD
_aws_airflow_plain() {
    local inner="${2#?}"
    case "$2" in
    \"*) printf -v "$1" %s "${inner%\"}" ;;
    \'*) printf -v "$1" %s "${inner%\'}" ;;
    *) IFS= read "$1" <<<"$2" ;; # without -r it takes backslashes away
    esac
}

_aws_airflow() {
    local current="$2" line word quoted="" words=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        _aws_airflow_plain word "$word"
        words+=("$word")
    done
    case "${COMP_WORDS[COMP_CWORD]}" in
    \"* | \'*) quoted=yes ;; # bash has taken the quote away, and closes it
    *) _aws_airflow_plain current "$current" ;;
    esac
    words+=("$current")
    [ "$current" = = ] && current=""
    COMPREPLY=()
    while IFS= read -r line; do
        case "$line" in
        "") ;; # of nothing at all bash makes files
        "$current"*)
            [ "$quoted" ] || line="$(printf %q "$line")" line="${line//\\,/,}" # bash takes a comma as it is
            COMPREPLY+=("$line")
            ;;
        esac
    done < <(_aws_airflow_candidates "${COMP_WORDS[0]/#\~/$HOME}" "${words[@]}")
}

complete -o default -F _aws_airflow aws-airflow invoke inv
