-- backfill key=id batch=1000
-- Stories from before release 1.1.0 get a summary, too.
update stories set summary = coalesce(teaser, left(text, 120)) where summary is null;
