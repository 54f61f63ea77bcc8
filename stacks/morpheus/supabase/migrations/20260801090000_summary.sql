-- Release 1.1.0 writes a summary beside the teaser. Release 1.0.0 goes on without it.
alter table stories add column summary text;
