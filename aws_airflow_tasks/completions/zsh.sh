_aws_airflow() {
    local -a found
    # PREFIX is the word up to the cursor, without a quote that is still open
    found=("${(@f)$(_aws_airflow_candidates "${${(Q)words[1]}/#\~/$HOME}" "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")}")
    found=("${(@)found:#}")
    if (( $#found )); then
        compadd -- "${found[@]}"
    else
        _files
    fi
}

(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _aws_airflow aws-airflow invoke inv
