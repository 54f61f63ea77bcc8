-- Release 1.2.0 has moods, and neither reads nor writes the teaser any more.
alter table stories add column mood text;
