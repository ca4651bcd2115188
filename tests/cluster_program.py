"""Three Ray nodes on this machine: prints their address, kills one when a file says so."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
}

from ray.cluster_utils import Cluster

SMALL = {"num_cpus": 1, "object_store_memory": 100 << 20}


def main(folder: Path) -> None:
    cluster = Cluster(initialize_head=True, head_node_args=SMALL)
    nodes = [cluster.add_node(**SMALL) for _ in range(2)]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)

    def kill_when_told() -> None:
        while not (folder / "kill").exists():
            time.sleep(0.05)
        cluster.remove_node(nodes[0], allow_graceful=False)
        (folder / "killed").touch()

    threading.Thread(target=kill_when_told, daemon=True).start()
    sys.stdin.readline()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
