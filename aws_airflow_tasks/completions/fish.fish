# What may stand for the word at the cursor, of aws-airflow and of invoke.
function __aws_airflow_complete
    set -l given (commandline --tokenize --cut-at-cursor --current-process)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l program (string replace --regex '^~' $HOME $given[1])
    set -l plain (string unescape -- "$current"; or string replace --regex '["\']' '' -- "$current") # a quote may be open
    set -l words $given[2..-1] "$plain"
    set -l found
    if string match --quiet --regex '(^|/)inv(oke)?$' $program
        set -l ours (string replace --regex '[^/]*$' aws-airflow $program)
        set found ($ours --complete -- invoke $words 2>/dev/null); or set found
        test -n "$found"; or set found ($program --complete -- "invoke $words" 2>/dev/null)
    else
        set found ($program --complete -- aws-airflow $words 2>/dev/null); or set found # it is an error
    end
    if test -n "$found"
        printf '%s\n' $found
    else
        __fish_complete_path "$plain"
    end
end

for program in aws-airflow invoke inv
    complete --command $program --no-files --arguments '(__aws_airflow_complete)'
end
