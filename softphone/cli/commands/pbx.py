"""`softphone pbx`: the hosted PBX's service, straight from the configuration file; no phone has to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from softphone.cli.commands import pbx_live, pbx_orders, pbx_token
from softphone.cli.lazy import SETTINGS
from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.output import count_of, note, print_facts, print_json, print_table, yes_no
from softphone.cli.provider import ConfigFile, finish, load_config, progress
from softphone.errors import UsageError

if TYPE_CHECKING:
    from softphone.config import Provider
    from softphone.kavkom import Extension, ExtensionList

Column = Literal["extension", "effective_caller_id_number", "outbound_caller_id_name", "description"]

app = typer.Typer(no_args_is_help=True, **SETTINGS)


@app.callback()
def pbx(ctx: typer.Context, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Speak to the PBX's service: extensions, orders, click-to-call, live events, tokens."""
    ctx.obj = Settings.of(ctx, None, as_json)


@app.command()
def extensions(
    ctx: typer.Context,
    search: Annotated[str, typer.Option("--search", metavar="TEXT", help="Only what the PBX finds by this.")] = "",
    sort: Annotated[Column, typer.Option("--sort", help="Column that sorts them.")] = "extension",
    descending: Annotated[bool, typer.Option("--descending", help="Sort downwards.")] = False,
    with_user: Annotated[bool, typer.Option("--with-user", help="Ask for the linked users too (see --json).")] = False,
    page: Annotated[int | None, typer.Option("--page", min=1, help="Only this page, as the PBX cuts it.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, max=5000, help="With --page: so many on a page; else 15.")
    ] = None,
    limited: Annotated[bool, typer.Option("--limited", help="The lightweight list, which has no domains.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the extensions of the domain. Passwords are never shown."""
    settings = Settings.of(ctx, None, as_json)
    if limited and (search or page or limit or with_user or descending):
        raise UsageError("the lightweight list takes no other options")
    if limit is not None and page is None:
        raise UsageError("--limit goes with --page; without it all extensions are listed")
    _, provider = load_config(ctx, config)
    query = {"search": search, "sort": sort, "descending": descending, "with_user": True if with_user else None}
    try:
        listed = finish(_listed(provider, query, page, limit, limited=limited))
    finally:
        progress("")
    if settings.json:
        print_json({"extensions": [extension_data(each) for each in listed.extensions], "problems": listed.problems})
    else:
        rows = [extension_row(each) for each in listed.extensions]
        print_table(("extension", "domain", "enabled", "password", "description"), rows, empty="no extensions")
    for problem in listed.problems:
        note(f"left out: {problem}" if listed.complete else f"warning: {problem}")


async def _listed(
    provider: Provider, query: dict[str, Any], page: int | None, limit: int | None, *, limited: bool
) -> ExtensionList:
    from softphone.kavkom import PbxApi, Progress

    def tell(far: Progress) -> None:
        progress(f"{count_of(far.records, 'extension')} so far")

    async with PbxApi.of(provider) as api:
        if limited:
            return await api.extensions_limited(on_page=tell)
        if page is not None:
            return await api.extensions_page(page, limit=limit, **query)
        return await api.extensions(on_page=tell, **query)


def extension_row(each: Extension) -> list[str]:
    """A line of the table. Of the password only whether there is one."""
    enabled = "?" if each.enabled is None else yes_no(each.enabled)
    return [each.extension, each.user_context, enabled, yes_no(each.password), each.description]


def extension_data(each: Extension) -> dict[str, Any]:
    """The same for programs; what the PBX sent beyond, less its secrets, stands in `extra`."""
    shown = each.model_copy(update={"password": None}).model_dump(mode="json", exclude={"password"})
    return {**shown, "has_password": each.password is not None, "extra": _plain(each.extra)}


def _plain(extra: object) -> object:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(extra, fallback=str)


@app.command("click-to-call")
def click_to_call(
    ctx: typer.Context,
    src: Annotated[str, typer.Argument(metavar="EXTENSION", help="Who is called first: an extension of the domain.")],
    destination: Annotated[str, typer.Argument(metavar="NUMBER", help="An extension, a number, or a SIP URI.")],
    auto_answer: Annotated[
        bool | None, typer.Option("--auto-answer/--no-auto-answer", help="The extension's phone answers by itself.")
    ] = None,
    ignore_early: Annotated[
        bool | None,
        typer.Option("--ignore-early/--no-ignore-early", help="What the PBX calls so, passed on as it is."),
    ] = None,
    caller_id: Annotated[
        str, typer.Option("--caller-id", metavar="NUMBER", help="The number that the extension sees.")
    ] = "",
    here: Annotated[
        bool, typer.Option("--here", help="The phone that runs here orders it, and answers by itself (its accounts).")
    ] = False,
    config: ConfigFile = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Have the PBX call an extension, then connect it with a number. The PBX records such calls.

    It is sent once. Exit code 6: whether the call was started is unknown.
    """
    settings = Settings.of(ctx, socket, as_json)
    if here:
        _click_here(settings, src, destination, auto_answer, ignore_early, caller_id)
        return
    _, provider = load_config(ctx, config)

    async def started() -> Any:
        from softphone.kavkom import PbxApi

        async with PbxApi.of(provider) as api:
            return await api.call(
                src, destination, auto_answer=auto_answer, ignore_early=ignore_early, src_cid_number=caller_id
            )

    call = finish(started())
    if settings.json:
        print_json(call.model_dump(mode="json") | {"recorded": call.recorded})
    else:
        print_facts({"call": call.call_uuid, "recorded": yes_no(call.recorded), "pbx says": call.message})


def _click_here(
    settings: Settings, account: str, destination: str, answer: bool | None, ignore_early: bool | None, caller_id: str
) -> None:
    wanted = {"account": account, "answer": answer is not False, "src_cid_number": caller_id}
    with settings.connect() as phone:
        call = phone.click_to_call(destination, **wanted, ignore_early=ignore_early)
    if settings.json:
        print_json(call)
    else:
        print_facts({"call": call["call_uuid"], "recorded": yes_no(call["recorded"]), "expected": call["expect"]})


@app.command()
def kill(
    ctx: typer.Context,
    call_uuid: Annotated[str, typer.Argument(metavar="CALL_UUID", help="What click-to-call printed.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Hang up a call of the PBX."""
    settings = Settings.of(ctx, None, as_json)
    _, provider = load_config(ctx, config)

    async def killed() -> Any:
        from softphone.kavkom import PbxApi

        async with PbxApi.of(provider) as api:
            return await api.kill(call_uuid)

    done = finish(killed())
    if settings.json:
        print_json(done.model_dump(mode="json"))
    else:
        print(f"{done.call_uuid}: {done.message or 'hung up'}")


app.command("order-line")(pbx_orders.order_line)
app.command("order-did")(pbx_orders.order_did)
app.command("did-orders")(pbx_orders.did_orders)
app.command("live")(pbx_live.live)
app.add_typer(pbx_token.app, name="token")
