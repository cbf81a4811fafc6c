"""How many images, what breaks when, and for how long: as the environment says."""

import os

INSTANCES = int(os.environ.get("FAULTS_INSTANCES", "2000"))
SEED = int(os.environ.get("FAULTS_SEED", "20261123"))
#: Seconds that the line takes for all images if nothing breaks.
SECONDS = min(max(INSTANCES / 30, 15.0), 60.0)
