-- The books of the ML gateways of one environment. Every gateway runs this file when it starts, so each statement may be
-- run again. Functions carry a version in their names: while two releases run, each calls its own. One message to the server, so
-- one transaction: whoever comes second waits here.
select pg_advisory_xact_lock(hashtext('ml_gateway'));
create schema if not exists ml_gateway;

-- One row. Its lock puts the reservations of all gateways in one order.
create table if not exists ml_gateway.state (
    id boolean primary key default true check (id),
    mode text not null default 'live' check (mode in ('live', 'mock', 'off'))
);
insert into ml_gateway.state default values on conflict do nothing;

create table if not exists ml_gateway.mode_history (
    at timestamptz not null default clock_timestamp(),
    mode text not null,
    by text not null,
    why text not null
);

-- What is spent or reserved: a row for each day (2026-11-26) and each month (2026-11), by UTC.
create table if not exists ml_gateway.spent (
    period text primary key,
    requests bigint not null default 0,
    money numeric not null default 0
) with (fillfactor = 20);

-- open: reserved, and perhaps at the provider. settled: the price is known. released: it never left the gateway.
-- unknown: nobody can say what became of it, so it counts as spent.
create table if not exists ml_gateway.calls (
    id uuid primary key,
    at timestamptz not null default clock_timestamp(),
    day text not null,
    caller text not null,
    endpoint text not null,
    provider text not null,
    model text not null,
    reserved numeric not null,
    ends_by timestamptz not null,
    state text not null check (state in ('open', 'settled', 'released', 'unknown')),
    cost numeric,
    job text,
    look_at timestamptz not null default clock_timestamp() + interval '5 seconds'
);
-- Looked for first: to add it takes a lock that waits for every call.
do $$ begin
    if not exists (select from pg_attribute where attrelid = 'ml_gateway.calls'::regclass and attname = 'pin') then
        alter table ml_gateway.calls add column pin text not null default '';
    end if;
end $$;

-- Endpoints as configurations had them, by what releases are pinned to.
create table if not exists ml_gateway.pins (
    endpoint text not null,
    pin text not null,
    told jsonb not null,
    at timestamptz not null default clock_timestamp(),
    primary key (endpoint, pin)
);
-- Contracts that were seen kept, by what was asked and of which pin.
create table if not exists ml_gateway.contracts (
    endpoint text not null,
    pin text not null,
    contract text not null,
    at timestamptz not null default clock_timestamp(),
    by text not null,
    primary key (endpoint, pin, contract)
);
-- What all gateways have answered and refused, and how long it took, for who watches them (Books.count).
create table if not exists ml_gateway.counted (
    metric text not null,
    endpoint text not null,
    label text not null,
    le text not null,
    value double precision not null,
    primary key (metric, endpoint, label, le)
);
create index if not exists calls_at on ml_gateway.calls (at);
create index if not exists calls_open on ml_gateway.calls (endpoint, ends_by) where state = 'open';
create index if not exists calls_job on ml_gateway.calls (job) where job is not null;

-- Reserve one call. `verdict` is "granted", the mode when it is not "live", or the name of the limit that refuses, and
-- `until` when that limit may let the next call pass. Under the lock each query sees everything that is committed.
create or replace function ml_gateway.reserve_2(
    new_call uuid, from_caller text, to_endpoint text, to_provider text, with_model text, with_pin text,
    price numeric, seconds numeric, concurrency integer, limits jsonb,
    out verdict text, out until timestamptz
) language plpgsql set lock_timeout = '30s' as $$
declare
    moment timestamptz;
    today text;
    tomorrow timestamptz;
    next_month timestamptz;
    freed timestamptz;
    of_day ml_gateway.spent;
    of_month ml_gateway.spent;
begin
    select mode into verdict from ml_gateway.state for update;
    if verdict <> 'live' then
        return;
    end if;
    moment := clock_timestamp();
    today := to_char(moment at time zone 'utc', 'YYYY-MM-DD');
    tomorrow := (date_trunc('day', moment at time zone 'utc') + interval '1 day') at time zone 'utc';
    next_month := (date_trunc('month', moment at time zone 'utc') + interval '1 month') at time zone 'utc';
    insert into ml_gateway.spent (period) values (today), (left(today, 7)) on conflict do nothing;
    select * into of_day from ml_gateway.spent where period = today;
    select * into of_month from ml_gateway.spent where period = left(today, 7);
    if limits ? 'requests_per_minute' then
        -- With a limit of n: when the call that is the n-th before this one leaves the last sixty seconds.
        select at + interval '1 minute' into freed from ml_gateway.calls
        where at > moment - interval '1 minute' and state <> 'released'
        order by at desc offset (limits ->> 'requests_per_minute')::integer - 1 limit 1;
    end if;
    select refusal.limit_name, refusal.ends_at into verdict, until from (values
        (1, 'requests_per_month', next_month, of_month.requests + 1 > (limits ->> 'requests_per_month')::numeric),
        (2, 'money_per_month', next_month, of_month.money + price > (limits ->> 'money_per_month')::numeric),
        (3, 'requests_per_day', tomorrow, of_day.requests + 1 > (limits ->> 'requests_per_day')::numeric),
        (4, 'money_per_day', tomorrow, of_day.money + price > (limits ->> 'money_per_day')::numeric),
        (5, 'requests_per_minute', freed, freed is not null),
        (6, 'concurrency', moment + interval '1 second', concurrency <= (
            select count(*) from ml_gateway.calls where endpoint = to_endpoint and state = 'open' and ends_by > moment
        ))
    ) as refusal (rank, limit_name, ends_at, is_over)
    where refusal.is_over order by refusal.rank limit 1;
    if found then
        return;
    end if;
    insert into ml_gateway.calls (id, at, day, caller, endpoint, provider, model, pin, reserved, ends_by, state) values
        (new_call, moment, today, from_caller, to_endpoint, to_provider, with_model, with_pin, price, moment + seconds * interval '1 second', 'open');
    update ml_gateway.spent set requests = requests + 1, money = money + price where period = today;
    update ml_gateway.spent set requests = requests + 1, money = money + price where period = left(today, 7);
    verdict := 'granted';
end $$;

-- Say what became of a call. What is said a second time changes nothing; an unknown one may still be settled.
create or replace function ml_gateway.settle_1(of_call uuid, its_job text, new_state text, its_cost numeric) returns boolean
language plpgsql set lock_timeout = '30s' as $$
declare
    known ml_gateway.calls;
    less numeric;
    fewer integer;
begin
    select * into known from ml_gateway.calls where id = of_call and state in ('open', 'unknown') for update;
    if not found then
        return exists (select from ml_gateway.calls where id = of_call);
    end if;
    update ml_gateway.calls set
        job = coalesce(its_job, job),
        state = case when new_state = 'open' then state else new_state end,
        cost = case new_state when 'settled' then its_cost when 'released' then 0 end
    where id = of_call;
    less := case new_state when 'settled' then known.reserved - its_cost when 'released' then known.reserved else 0 end;
    fewer := (new_state = 'released')::integer;
    if less <> 0 or fewer <> 0 then
        update ml_gateway.spent set requests = requests - fewer, money = money - less where period = known.day;
        update ml_gateway.spent set requests = requests - fewer, money = money - less where period = left(known.day, 7);
    end if;
    return true;
end $$;
