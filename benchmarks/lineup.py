"""Who takes part, and how each is set, said aloud. It knows command lines; it refuses to know how they are measured."""

from __future__ import annotations

from benchmarks.contestants import Contestant, Kind

__all__ = ["CONTESTANTS", "choose"]


_PLAIN = frozenset({"enqueue", "drain", "defaults", "idle", "sleep"})
_OURS = {
    "flowli_redis": _PLAIN | {"runners", "backlog", "due", "reconnect", "schedules", "limits", "durability", "profile"},
    "flowli_glide": _PLAIN | {"due", "reconnect", "profile"},
}


def _flowli(name: str, module: str, *versions: str) -> Contestant:
    worker = f"{{bin}}/flowli runner benchmarks.adapters.{module}:flowli --concurrency {{concurrency}}"
    return Contestant(
        name,
        Kind.OURS,
        f"benchmarks.adapters.{module}",
        worker,
        defaults=worker,
        drain_jobs=100_000,
        default_jobs=40_000,
        measures=_OURS[module],
        settings="tuned: `result_ttl='0s'`; defaults: as the README has it, results kept for an hour; concurrency 100.",
        versions=("pydantic", *versions),
    )


def _bare(client: str, loop: str, *versions: str) -> Contestant:
    return Contestant(
        f"bare-{client}" if loop == "plain" else f"bare-{client}-{loop}",
        Kind.BARE,
        f"benchmarks.adapters.bare_{client}",
        f"{{bin}}/python -m benchmarks.adapters.bare {client} {loop} {{concurrency}}",
        concurrency=200 if loop == "tasks" else 100,
        drain_jobs=150_000,
        settings=f"uvloop, batches of 100 in one script call, loop `{loop}`.",
        versions=versions,
        measures=_BARE[loop],
    )


_BARE = {
    "plain": frozenset({"enqueue", "drain", "idle", "backlog", "profile"}),
    "overlap": frozenset({"drain"}),
    "tasks": frozenset({"drain", "idle", "sleep", "runners", "profile"}),
}


def _taskiq(kind: str) -> Contestant:
    worker = f"{{bin}}/taskiq worker benchmarks.peers.taskiq_{kind}:broker --workers 1"
    return Contestant(
        f"taskiq-{kind}",
        Kind.PYTHON,
        f"benchmarks.peers.taskiq_{kind}",
        f"{worker} --no-parse --log-level ERROR --max-async-tasks {{concurrency}} --max-prefetch {{concurrency}}",
        peer="taskiq",
        defaults=worker,
        drain_jobs=8_000,
        default_jobs=4_000,
        settings="tuned: orjson, no parsing, log ERROR, 1 worker, 100 tasks, prefetch 100, uvloop, no result backend; "
        "defaults: results in Redis, log INFO, 1 worker.",
        versions=("taskiq", "taskiq-redis"),
    )


def _celery(pool: str, concurrency: int, sleep_concurrency: int, sleep_jobs: int) -> Contestant:
    worker = f"{{bin}}/celery -A benchmarks.peers.celery_jobs worker -P {pool} -c {{concurrency}}"
    return Contestant(
        f"celery-{pool}",
        Kind.PYTHON,
        "benchmarks.peers.celery_jobs",
        f"{worker} -l ERROR --without-gossip --without-mingle --without-heartbeat",
        peer="celery",
        defaults=f"{worker} -l INFO",
        concurrency=concurrency,
        drain_jobs=3_000,
        default_jobs=2_000,
        settings=f"tuned: results ignored, prefetch multiplier 64, no rate limits, gossip, mingle, heartbeat; {pool}, "
        f"concurrency {concurrency}; defaults: results in Redis, log INFO.",
        sleep_concurrency=sleep_concurrency,
        sleep_jobs=sleep_jobs,
        measures=_PLAIN if pool == "prefork" else frozenset({"drain"}),
        versions=("celery",),
    )


_ARQ = Contestant(
    "arq",
    Kind.PYTHON,
    "benchmarks.peers.arq_jobs",
    "{bin}/python -m benchmarks.peers.arq_jobs",
    peer="arq",
    defaults="{bin}/arq benchmarks.peers.arq_jobs.Defaults",
    concurrency=10,
    drain_jobs=6_000,
    default_jobs=500,
    settings="tuned: keep_result 0, poll_delay 0.01, max_jobs 10, uvloop, no logs set up; defaults: its own.",
    versions=("arq",),
)
_SAQ = Contestant(
    "saq",
    Kind.PYTHON,
    "benchmarks.peers.saq_jobs",
    "{bin}/saq benchmarks.peers.saq_jobs.settings",
    peer="saq",
    defaults="{bin}/saq benchmarks.peers.saq_jobs.settings",
    concurrency=10,
    drain_jobs=5_000,
    default_jobs=4_000,
    settings="tuned: ttl -1, max_concurrent_ops 100, concurrency 10, uvloop; defaults: its own, concurrency 10.",
    versions=("saq",),
)
_STREAQ = Contestant(
    "streaq",
    Kind.PYTHON,
    "benchmarks.peers.streaq_jobs",
    "{bin}/streaq run benchmarks.peers.streaq_jobs:worker",
    peer="streaq",
    defaults="{bin}/streaq run benchmarks.peers.streaq_jobs:worker",
    concurrency=16,
    drain_jobs=4_000,
    default_jobs=3_000,
    settings="tuned: ttl 0, silent, uvloop, pickle, concurrency 16; defaults: its own.",
    versions=("streaq", "coredis"),
)
_DRAMATIQ = Contestant(
    "dramatiq",
    Kind.PYTHON,
    "benchmarks.peers.dramatiq_jobs",
    "env dramatiq_queue_prefetch=100 dramatiq_worker_timeout=100 {bin}/dramatiq benchmarks.peers.dramatiq_jobs "
    "-p 1 -t {concurrency}",
    peer="dramatiq",
    defaults="{bin}/dramatiq benchmarks.peers.dramatiq_jobs -p 1",
    concurrency=1,
    drain_jobs=12_000,
    default_jobs=4_000,
    settings="tuned: 1 process, 1 thread (200 asleep), prefetch, worker_timeout 100; defaults: 1 process, 8 threads.",
    versions=("dramatiq",),
)
_RQ = Contestant(
    "rq",
    Kind.PYTHON,
    "benchmarks.peers.rq_jobs",
    "{bin}/rq worker -q -w rq.worker.SimpleWorker -u {url}",
    peer="rq",
    defaults="{bin}/rq worker -u {url}",
    concurrency=1,
    sleep_concurrency=1,
    sleep_jobs=40,
    drain_jobs=600,
    default_jobs=100,
    settings="tuned: SimpleWorker, result_ttl 0, quiet; defaults: a fork for each job, results for 500 s.",
    versions=("rq",),
)
_HUEY = Contestant(
    "huey",
    Kind.PYTHON,
    "benchmarks.peers.huey_jobs",
    "{bin}/huey_consumer benchmarks.peers.huey_jobs.huey -q -n -g TERM -w {concurrency}",
    peer="huey",
    defaults="{bin}/huey_consumer benchmarks.peers.huey_jobs.huey -g TERM",
    concurrency=4,
    drain_jobs=9_000,
    default_jobs=5_000,
    settings="tuned: results off, 4 threads (200 asleep), no periodic tasks, quiet; defaults: results, 1 thread.",
    versions=("huey",),
)
_DOCKET = Contestant(
    "docket",
    Kind.PYTHON,
    "benchmarks.peers.docket_jobs",
    "{bin}/python -m benchmarks.peers.docket_jobs",
    peer="docket",
    defaults="{bin}/docket worker --docket bench --url {url} --tasks benchmarks.peers.docket_jobs:tasks",
    drain_jobs=3_000,
    default_jobs=200,
    settings="tuned: concurrency 100, check interval 5 ms, execution_ttl 0, uvloop; defaults: its own.",
    versions=("pydocket",),
)
_BULLMQ = Contestant(
    "bullmq-python",
    Kind.PYTHON,
    "benchmarks.peers.bullmq_jobs",
    "{bin}/python -m benchmarks.peers.bullmq_jobs",
    peer="bullmq",
    defaults="{bin}/python -m benchmarks.peers.bullmq_jobs",
    concurrency=10,
    drain_jobs=6_000,
    default_jobs=4_000,
    settings="tuned: removeOnComplete, concurrency 10 (200 asleep), uvloop; defaults: its own, concurrency 1.",
    versions=("bullmq",),
)
_BULLMQ_NODE = Contestant(
    "bullmq-node",
    Kind.NODE,
    "benchmarks/peers/bullmq_node.cjs",
    "node benchmarks/peers/bullmq_node.cjs work",
    peer="bullmq-node",
    defaults="node benchmarks/peers/bullmq_node.cjs work",
    drain_jobs=30_000,
    default_jobs=8_000,
    measures=_PLAIN | {"runners"},
    settings="tuned: removeOnComplete, concurrency 100; defaults: its own, concurrency 1.",
    versions=("bullmq", "ioredis"),
)

CONTESTANTS: tuple[Contestant, ...] = (
    _flowli("flowli-over-redispy", "flowli_redis", "redis", "hiredis"),
    _flowli("flowli-over-glide", "flowli_glide", "valkey-glide"),
    _bare("redispy", "plain", "redis", "hiredis", "uvloop"),
    _bare("redispy", "overlap"),
    _bare("redispy", "tasks"),
    _bare("glide", "plain", "valkey-glide", "uvloop"),
    _bare("glide", "overlap"),
    _STREAQ,
    _taskiq("list"),
    _taskiq("stream"),
    _ARQ,
    _SAQ,
    _DRAMATIQ,
    _RQ,
    _celery("prefork", 2, sleep_concurrency=20, sleep_jobs=400),
    _celery("solo", 1, sleep_concurrency=1, sleep_jobs=40),
    _HUEY,
    _DOCKET,
    _BULLMQ,
    _BULLMQ_NODE,
)


def choose(names: list[str] | None) -> list[Contestant]:
    """Those whose name is given or begins with what is given and a dash; SystemExit for a name that fits none."""
    if names is None:
        return list(CONTESTANTS)
    for name in names:
        if not any(_fits(one.name, name) for one in CONTESTANTS):
            raise SystemExit(f"no contestant {name!r}. There are: {', '.join(one.name for one in CONTESTANTS)}.")
    return [one for one in CONTESTANTS if any(_fits(one.name, name) for name in names)]


def _fits(whole: str, part: str) -> bool:
    return whole == part or whole.startswith(f"{part}-")
