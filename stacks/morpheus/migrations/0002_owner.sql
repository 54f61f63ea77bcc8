-- Stories from before there were users belong to nobody, and are shown where there are none.
alter table stories add column if not exists owner uuid;
create index if not exists stories_owner on stories (owner);
