"""What ``serinus backtest`` does: `injecting` reads what shall be worse, `running` reads and replays."""
