"""Several processes that share one mongod, and real kills."""

import itertools
import os
import random
import time
from pathlib import Path

import pytest

from tests.conftest import scaled_rounds
from tests.mongo.embedded.conftest import (
    StartWorker,
    joined_server,
    kill,
    mongods,
    stop_cleanly,
    wait_until,
)


def test_several_processes_share_one_mongod_and_the_last_one_stops_it(
    folder: Path, start_worker: StartWorker
) -> None:
    workers = [start_worker() for _ in range(2)]
    for worker in workers:
        worker.wait_for_write()
    running = mongods(folder)
    assert len(running) == 1

    with joined_server(folder) as (_, client):
        stop_cleanly(*workers)
        assert mongods(folder) == running
        client.tests.notes.insert_one({"_id": 1})

    wait_until(lambda: not mongods(folder))


def test_the_next_process_adopts_the_mongod_of_a_killed_one_despite_its_children(
    folder: Path, start_worker: StartWorker
) -> None:
    worker = start_worker("children").wait_for_write()
    orphan = mongods(folder)
    worker.kill()
    for child in worker.lines_of("child"):
        os.kill(int(child), 0)  # the children live on
    assert mongods(folder) == orphan

    with joined_server(folder) as (_, client):
        assert mongods(folder) == orphan
        assert client.tests.acks.find_one({"_id": worker.lines_of("ack")[0]})

    wait_until(lambda: not mongods(folder))


def test_a_mongod_killed_while_in_use_is_restarted_and_all_clients_continue(
    folder: Path, start_worker: StartWorker
) -> None:
    worker = start_worker().wait_for_write()
    with joined_server(folder) as (_, client):
        client.tests.notes.insert_one({"_id": 1})
        killed = mongods(folder)
        kill(killed[0])

        client.tests.notes.insert_one({"_id": 2})

        assert client.tests.notes.count_documents({}) == 2
        assert len(mongods(folder)) == 1
        assert mongods(folder) != killed
        worker.wait_for_write()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_kill_at_any_moment_loses_a_write_or_leaves_a_mongod_behind(
    folder: Path, start_worker: StartWorker
) -> None:
    acknowledged: set[object] = set()
    for _ in range(scaled_rounds(20, 1)):
        old = [start_worker() for _ in range(random.randint(1, 3))]
        victim = random.choice(old)
        victim.wait_until_started()
        time.sleep(random.uniform(0.1, 1.6))
        victim.kill()
        if random.random() < 0.4:
            for pid in mongods(folder):
                kill(pid)
        present = [worker for worker in old if worker is not victim]
        present += [start_worker() for _ in range(random.randint(1, 2))]

        with joined_server(folder) as (_, client):
            for worker in present:
                worker.wait_for_write()
            acknowledged |= {ack for w in (*present, victim) for ack in w.lines_of("ack")}
            assert acknowledged <= {doc["_id"] for doc in client.tests.acks.find()}
            assert len(mongods(folder)) == 1
        stop_cleanly(*present)
        wait_until(lambda: not mongods(folder))
        acknowledged |= set(itertools.chain.from_iterable(w.lines_of("ack") for w in present))
