-- contract 20260901090000
-- Shipped with release 1.3.0. It waits until no release is retained that came before 1.2.0.
alter table stories drop column teaser;
