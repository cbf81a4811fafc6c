"""Consultations between МО on images: a question travels with its studies and comes back as a signed answer, in time.

`states` is the table of what can happen, `workflow` the one place where it does, in one transaction with the rights to
see the studies, the history, timers and notices. Public names: `Consultations` (what people do), `Desk` (what they
see in lists), `consultation_endpoints` (the JSON face), and what runs by itself: `Deadlines`, `Images`, `Filing`.
"""
