"""The report of a rollout: what happened, in one document for people who were not there.

`gathering` folds the log into one `views.ReportView` in bounded memory; `page`, `markdown` and the JSON of
the view show it. Only `collecting` asks anybody anything. Imported by the command line and by whatever else
sends reports.

**Invariant**: a report's size is bounded whatever the rollout's length is, and nothing in it that came from
outside is markup.
"""
