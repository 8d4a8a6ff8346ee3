"""`staffroom …` and `python -m staffroom …`."""

from staffroom.cli import main

if __name__ == "__main__":
    main()
