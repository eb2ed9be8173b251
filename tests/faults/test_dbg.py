import anyio, time
from tests.faults.test_loads import *
from tests.listening import service_of, running
import forwarder.listen.table_load as tl, forwarder.load.reader as rd
from collections import Counter
T=Counter(); N=Counter()
def wrap(cls,name):
    f=getattr(cls,name)
    async def g(*a,**k):
        t=time.perf_counter()
        try: return await f(*a,**k)
        finally: T[name]+=time.perf_counter()-t; N[name]+=1
    setattr(cls,name,g)
async def test_dbg(env, database, served, tmp_path):
    for n in ("_catch_up","_give_way","_keep_the_rate","_advance","_events","_offer","_send"): wrap(tl.TableLoad,n)
    wrap(rd.ChunkReader,"read")
    wrap(tl.Relay if hasattr(tl,'Relay') else None,"delivered")
    from forwarder.outbox.head_reader import HeadReader
    from forwarder.listen.intake import Intake
    wrap(HeadReader,"look"); wrap(Intake,"reaches")
    async with connected(database.url) as owner:
        await owner.execute(TABLES); await owner.execute(FILL)
    await Operator(env, tmp_path).says("migrate", "--table", "public.*")
    w = Workload(database, 0, truncates=False)
    async with w.running():
        async with connected(database.url) as owner:
            await owner.execute("INSERT INTO forwarder.load (sink, table_id) SELECT 'default', id FROM forwarder.captured_table WHERE id > 0 AND table_name='items'")
            service=service_of(database.url, served.sink)
            object.__setattr__(service._settings.load, 'chunk_seconds', 0.002)
            async with running(service):
                t=time.time()
                while not await owner.fetchval("select state='finished' from forwarder.load"): await anyio.sleep(0.05)
                print("took", time.time()-t)
                for k in T: print(k, N[k], round(T[k],3))
