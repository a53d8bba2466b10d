"""``python -m deployments.results https://ACCOUNT.blob.core.windows.net/CONTAINER``: where many machines keep results.

Makes the container and the block that names it, each where it is not there yet; on every machine then
``PREFECT_DEFAULT_RESULT_STORAGE_BLOCK=azure-blob-results/workload-identity``. Whoever has no identity to sign in with
gives AZURE_STORAGE_CONNECTION_STRING; it is kept in the block, which Prefect encrypts.
"""

from __future__ import annotations

import asyncio
import os
import sys

from pydantic import SecretStr, ValidationError

from flows.blob_results import AzureBlobResults

NAME = "workload-identity"


async def save(url: str, connection_string: str | None = None) -> str:
    """Save the block, and try it; returns its name as the setting wants it."""
    secret = SecretStr(connection_string) if connection_string else None
    block = AzureBlobResults(container_url=url, connection_string=secret)
    await asyncio.to_thread(block.container.create)
    await block.write_path("tried.json", b"{}")
    await block.delete_path("tried.json")
    await block.asave(NAME, overwrite=True)
    return f"{block.get_block_type_slug()}/{NAME}"


def main() -> int:
    """0 where results can be kept there from now on."""
    match sys.argv[1:]:
        case [url] if not url.startswith("-"):
            pass
        case _:
            print(__doc__, file=sys.stderr)
            return 1
    try:
        saved = asyncio.run(save(url, os.environ.get("AZURE_STORAGE_CONNECTION_STRING")))
    except ValidationError:
        print(f"{url} is no container: it looks like https://ACCOUNT.blob.core.windows.net/CONTAINER", file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - the SDK has many
        print(f"{url}: {str(error).splitlines()[0]}. Check its name, and the operator's role there", file=sys.stderr)
        return 1
    print(f"PREFECT_DEFAULT_RESULT_STORAGE_BLOCK={saved}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
