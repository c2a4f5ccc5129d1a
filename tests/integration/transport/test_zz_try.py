from __future__ import annotations
import asyncio
async def test_race_contacts(ingest):
    await ingest.send(*(ingest.message("identify", userId=f"u{n}") for n in range(60)))
    lost=0
    for n in range(60):
        await asyncio.gather(*(ingest.send(ingest.message("identify", userId=f"u{n}", traits={"email": f"e{k}.{n}@example.com"})) for k in range(4)))
        c = await ingest.contacts(await ingest.owner("user_id", f"u{n}"))
        lost += 4-len(c.points)
    print("LOST contact points", lost)
async def test_race_groups(ingest):
    await ingest.send(*(ingest.message("identify", userId=f"u{n}") for n in range(60)))
    lost=0
    for n in range(60):
        await asyncio.gather(*(ingest.send(ingest.message("group", userId=f"u{n}", groupId=f"g{k}", traits={"name":"x"})) for k in range(4)))
        (found,) = await ingest.native.memberships(ingest.workspace, [await ingest.owner("user_id", f"u{n}")])
        lost += 4-len(found)
    print("LOST memberships", lost)
async def test_lifecycle(ingest):
    await ingest.send(ingest.message("track", anonymousId="a", event="x"))
    await ingest.send(ingest.message("track", anonymousId="a", userId="u", event="x"))
    print("LIFECYCLE after track with userId", (await ingest.profile(await ingest.owner("user_id","u"))).lifecycle)
    await ingest.send(ingest.message("track", anonymousId="b", event="x"))
    await ingest.send(ingest.message("alias", previousId="b", userId="v"))
    print("LIFECYCLE after alias", (await ingest.profile(await ingest.owner("user_id","v"))).lifecycle)
