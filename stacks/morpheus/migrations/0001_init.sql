create table if not exists stories (
    id bigint generated always as identity primary key,
    title text not null,
    text text not null,
    created_at timestamptz not null default now()
);
