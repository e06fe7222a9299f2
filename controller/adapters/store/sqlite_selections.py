"""Which rollouts of the state file are meant by a few words, where that takes more than a line of SQL."""

PRUNE = """
DELETE FROM rollout WHERE ordinal IN (
  SELECT ordinal FROM (
    SELECT ordinal, row_number() OVER (PARTITION BY model ORDER BY ordinal DESC) AS place
    FROM rollout WHERE terminal = 1
  ) WHERE place > :keep
) AND ordinal NOT IN (SELECT max(ordinal) FROM rollout WHERE phase = :succeeded GROUP BY model)
  AND id NOT IN (SELECT rollout_id FROM posting)
"""
"""What is over, without the newest ``:keep`` of each model and what must stay longer."""

CURRENT = """
SELECT record FROM rollout WHERE ordinal IN (
  SELECT (SELECT max(ordinal) FROM rollout WHERE model = wanted.value) FROM json_each(?1) AS wanted
  UNION
  SELECT ordinal FROM rollout JOIN json_each(?1) AS wanted ON model = wanted.value WHERE terminal = 0
) ORDER BY model, ordinal DESC
"""
"""Of the models in a JSON list the newest rollout, and the older ones that are not over; all by an index."""
