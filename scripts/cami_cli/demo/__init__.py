"""``scripts/cami demo``: the product's main job as a guided run, which checks itself.

`guide.run` tells the story, `delivery` sends and watches, `table` and `checks` judge what `witness` has seen, `stage`
is how it is shown. It uses only what people and devices have: C-STORE, the HTTP interfaces and the accounts.
"""

from cami_cli.demo.guide import Plan, run

__all__ = ["Plan", "run"]
