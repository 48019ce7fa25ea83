"""List the repositories of uploaded models. A config without `push` is refused."""

import sys

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.core.errors import fault
    from molmix.core.files import read_json

    if not snakemake.params.configured:
        raise fault("push", "required to upload models, and not given", "add `push.repository` (docs/config.md)")
    for path in snakemake.input:
        found = read_json(path)
        print(f"{found['repository']} at {found['commit']}", file=sys.__stderr__)
