"""What ``make check`` runs: every checker over the whole tree, none of which may pass without having looked at a file.

A guard that silently matches nothing is worse than none (pynetdicom's hooks name a folder that does not exist, and
pass). So each check here knows from the tree which files it has to look at, and compares.
"""
