"""`srcli train`: recipes, export and curves."""
import typer
app = typer.Typer()
@app.command("x")
def x() -> None: ...
