"""``python -m cami_cli``: what ``scripts/cami`` runs."""

from cami_cli.main import main

if __name__ == "__main__":
    main()
