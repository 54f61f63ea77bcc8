"""What a deploy costs, measured: beside its floor, beside `docker compose up -d`, on the sandbox's staging environment.

`python -m tests.bench` prints one Markdown table. It judges nothing: seconds of one machine say little, their ratios say more.
"""
