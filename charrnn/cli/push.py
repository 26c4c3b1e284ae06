"""charrnn push: a model to the Hugging Face hub."""

from __future__ import annotations

from typing import Annotated

import typer

from charrnn.terminal.output import say, write

__all__ = ["push"]

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model folder, or the name of one in checkpoints/.")
]
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="OWNER/NAME", help="Your name on the hub, and the name that the model gets there."
    ),
]
LicenseOption = Annotated[
    str,
    typer.Option(
        "--license",
        help="License of the model, as the hub names it: mit, cc-by-4.0, other, …",
    ),
]
PublicOption = Annotated[
    bool, typer.Option("--public/--private", help="Whether everyone can see it.")
]
LanguageOption = Annotated[
    list[str] | None,
    typer.Option("--language", help="Language of its text: en, de, …; may be given several times."),
]
SpaceOption = Annotated[
    bool,
    typer.Option("--space", help="Also publish the page that export writes, as a static Space."),
]


def push(
    model: ModelArgument,
    name: NameArgument,
    license: LicenseOption,  # noqa: A002
    public: PublicOption = False,
    language: LanguageOption = None,
    space: SpaceOption = False,
) -> None:
    """Publish a model on the Hugging Face hub."""
    from charrnn.folder import card
    from charrnn.folder.reading import find_model, read_model
    from charrnn.sharing.bundle import bundle
    from charrnn.sharing.page import model_page
    from charrnn.sharing.publishing import publish, publish_page, refuse_other_space

    found = read_model(find_model(model))
    # Made before anything is published: there are models that have no page.
    page = model_page(bundle(found)).encode() if space else None
    warning = card.memorised(found.record)
    say(f"{warning}; --public shows it to everyone" if public else warning)
    if page is not None:
        refuse_other_space(name, public=public)
    write(publish(found, name, license=license, language=language or (), public=public) + "\n")
    if page is not None:
        write(publish_page(found, name, page, public=public) + "\n")
