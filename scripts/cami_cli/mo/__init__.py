"""``scripts/cami mo`` and ``ca``: a new МО, from the registry to the bundle that is carried there.

`registry` changes region.yaml and keeps its comments, `centre` is the running centre as the command line reaches it,
`entry` reads what people type, `bundle` writes what is installed, `commands` and `ca_commands` are what people call.
"""
