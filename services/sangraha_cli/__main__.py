"""`python -m sangraha_cli` is the `sangraha` command."""

from sangraha_cli.main import app

app(prog_name="sangraha")
