-- Release 1.0.0. Stories from before there were users belong to nobody, and are shown where there are none.
create table stories (
    id bigint generated always as identity primary key,
    title text not null,
    text text not null,
    teaser text,
    owner uuid,
    created_at timestamptz not null default now()
);
create index stories_owner on stories (owner);
