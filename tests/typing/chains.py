"""What chains and groups infer, and which steps may not follow which. Checked, never run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type

from pydantic import BaseModel

from flowli import Flowli, JobHandle, SyncJobHandle, job
from flowli.chains import Chain, Group, Outcome


class Url(BaseModel):
    address: str


class Page(BaseModel):
    text: str


class Words(BaseModel):
    count: int


class Meta(BaseModel):
    request: str


@job
async def fetch(url: Url) -> Page:
    return Page(text=url.address)


@job
async def parse(page: Page) -> Words:
    return Words(count=len(page.text))


@job
def merge(pages: list[Page]) -> Words:
    return Words(count=len(pages))


@job
async def tally(words: Sequence[Words], *, meta: Meta) -> int:
    return len(words)


@job
async def announce(page: Page, *, meta: Meta | None = None) -> None: ...


@job
async def audited(url: Url, *, meta: Meta) -> Page:
    return Page(text=url.address)


@job
async def report(outcome: Outcome[Page]) -> str:
    return outcome.state


@job
async def reports(outcomes: list[Outcome[Page]], *, meta: Meta) -> list[str]:
    return [outcome.state for outcome in outcomes]


@job
async def begin() -> Url:
    return Url(address="")


@job
async def finish(nothing: None) -> None: ...


class App(Flowli):
    fetch = fetch
    parse = parse
    merge = merge
    tally = tally
    announce = announce
    audited = audited
    report = report
    reports = reports
    begin = begin
    finish = finish


async def chains(app: App, url: Url, meta: Meta) -> None:
    assert_type(app.fetch.then(app.parse), Chain[Url, None, Words])
    assert_type(await app.fetch.then(app.parse).enqueue(url), JobHandle[Words])
    assert_type(await app.fetch.then(app.parse).enqueue(url, id="one", queue="crawl"), JobHandle[Words])
    assert_type(await app.begin.then(app.fetch, queue="crawl").then(app.parse).enqueue(), JobHandle[Words])
    assert_type(await app.audited.then(app.parse).enqueue(url, meta=meta), JobHandle[Words])
    assert_type(await app.fetch.then(app.announce).then(app.finish).enqueue(url), JobHandle[None])
    assert_type(await app.fetch.then(app.announce, meta=meta).enqueue(url), JobHandle[None])
    assert_type(await app.fetch.then(app.report, when="settled").enqueue(url), JobHandle[str])
    assert_type(app.fetch.then(app.parse).sync.enqueue(url), SyncJobHandle[Words])


async def groups(app: App, urls: list[Url], meta: Meta) -> None:
    assert_type(app.fetch.map(urls), Group[Page])
    assert_type(app.fetch.map(urls, queue="crawl").then(app.merge), Chain[None, None, Words])
    assert_type(await app.fetch.map(urls).then(app.merge).enqueue(), JobHandle[Words])
    assert_type(await app.audited.map(urls, meta=meta).then(app.merge).enqueue(id="all"), JobHandle[Words])
    assert_type(await app.fetch.then(app.parse).map(urls).then(app.tally, meta=meta).enqueue(), JobHandle[int])
    assert_type(await app.fetch.map(urls).then(app.reports, when="settled", meta=meta).enqueue(), JobHandle[list[str]])


async def refused(app: App, url: Url, urls: list[Url], meta: Meta) -> None:
    app.fetch.then(app.fetch)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.parse.then(app.fetch)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.fetch.then(app.merge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.fetch.then(app.report)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.fetch.then(app.parse, when="settled")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    app.fetch.then(app.parse, meta=meta)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    app.fetch.then(app.parse, when="failed")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    app.fetch.map(urls).then(app.parse)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.fetch.map(urls).then(app.reports, when="settled")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    app.fetch.map(["one"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    app.audited.map(urls)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await app.fetch.then(app.parse).enqueue()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await app.fetch.then(app.parse).enqueue("url")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await app.audited.then(app.parse).enqueue(url)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await app.fetch.map(urls).then(app.merge).enqueue(urls)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    app.fetch.then(app.parse).delay("1m", url)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
