complete -c kamonline -l generate -d 'Print the man page, or the completions of a shell' -r -f -a "man\t''
bash\t''
zsh\t''
fish\t''"
complete -c kamonline -l settings -d 'Settings file, or - for standard input, or none' -r -F
complete -c kamonline -l kamailio -d 'A registrar; repeatable' -r
complete -c kamonline -l rpc -d 'Module that answers in Kamailio' -r -f -a "xhttp_rpc\t'A page, from the module xhttp_rpc: GET ROOT/ul/ul.dump?arg=brief'
jsonrpc\t'JSON-RPC 2.0, from the module jsonrpcs: POST'"
complete -c kamonline -l table -d 'Count only this usrloc table; repeatable [default: all]' -r
complete -c kamonline -l kamailio-ca -d 'Trust only the root certificates in this PEM file' -r -F
complete -c kamonline -l kamailio-cert -d 'Certificate to show to a Kamailio that demands one' -r -F
complete -c kamonline -l kamailio-key -d 'Key of that certificate' -r -F
complete -c kamonline -l kamailio-password-file -d 'HTTP Basic password of the user in the URL' -r -F
complete -c kamonline -l redis -d 'Redis that holds the sets' -r
complete -c kamonline -l redis-sentinel -d 'The URLs (repeat --redis) are sentinels of this master' -r
complete -c kamonline -l redis-ca -d 'Trust only the root certificates in this PEM file' -r -F
complete -c kamonline -l redis-cert -d 'Certificate to show to a Redis that demands one' -r -F
complete -c kamonline -l redis-key -d 'Key of that certificate' -r -F
complete -c kamonline -l redis-password-file -d 'Password for Redis, of the ACL user in the URL if there is one' -r -F
complete -c kamonline -l prefix -d 'What the keys of the sets begin with' -r
complete -c kamonline -l checked-key -d 'Key that tells readers of the sets when they were last right' -r
complete -c kamonline -l domain -d 'Only domains whose name it matches; repeatable [default: all]' -r
complete -c kamonline -l exclude-domain -d 'Not the domains whose name it matches; repeatable' -r
complete -c kamonline -l exclude-user -d 'Leave alone the users whose name it matches; repeatable' -r
complete -c kamonline -l default-domain -d 'Domain of every AoR, for registrars with use_domain 0' -r
complete -c kamonline -l max-removal -d 'Most removals: a count, or a share of members' -r
complete -c kamonline -l min-uptime -d 'Remove nobody before each Kamailio has been up so long' -r
complete -c kamonline -l settle -d 'Wait between two looks at the registrars' -r
complete -c kamonline -l timeout -d 'Longest wait for a server' -r
complete -c kamonline -l retries -d 'Retries after a refused or broken connection' -r
complete -c kamonline -l format -d 'Form of the report on standard output' -r -f -a "text\t''
json\t''"
complete -c kamonline -l metrics-file -d 'Prometheus metrics, for node_exporter\'s textfile collector' -r -F
complete -c kamonline -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c kamonline -l replicated -d 'The registrars replicate their users to each other'
complete -c kamonline -l redis-cluster -d 'The URLs (repeat --redis) are nodes of a Redis Cluster'
complete -c kamonline -l ignore-domain -d 'Match users in any set, for registrars with use_domain 0'
complete -c kamonline -l case-sensitive -d 'Tell users apart by case, as registrar\'s case_sensitive 1 does'
complete -c kamonline -s n -l dry-run -d 'Show what would be done, and change no set'
complete -c kamonline -l exit-code -d 'With --dry-run: exit with 4 when there is a discrepancy'
complete -c kamonline -l add-missing -d 'Also add the users who are registered and in no set'
complete -c kamonline -l keep-stale -d 'With --add-missing: remove nobody, only report the stale'
complete -c kamonline -l allow-empty -d 'Accept that Kamailio reports nobody in scope, or no member of any set'
complete -c kamonline -s q -l quiet -d 'Say nothing when all is in sync'
complete -c kamonline -s v -l verbose -d 'Show every domain, and every user of those with a discrepancy'
complete -c kamonline -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kamonline -s V -l version -d 'Print version'
