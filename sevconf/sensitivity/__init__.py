"""
What the suite catches, and what it does not blame: every rule against every machine with one bug.

`trial` judges one machine, `matrix` puts what was found together, `threats` says what each broken rule comes to,
`files` writes and reads it, `work` goes through all machines and keeps what it has found.
"""
