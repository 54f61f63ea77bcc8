-- Release 1.1.0 lists the newest stories first. CONCURRENTLY, so that stories can be written meanwhile.
create index concurrently stories_newest on stories (created_at desc);
