# SPDX-License-Identifier: MIT
"""The machines of the demo that are online (db/demo.sql has all of them), and who is at them."""
import itertools

from machines import Machine, Seat, Session
from protocol import Agent, agent_token

MINUTE, HOUR = 60, 3600

MACHINES = {  # usage of cpu, memory and disk, and the seats
    "demo-prod-1": ((25.5, 60.2, 48.1), [
        Seat("user_456", "johndoe", "ui", "Chrome", "macOS", Session("demo-sess-1", 40 * MINUTE, [
            (2340, "systemctl status nginx", 0),
            (2310, "tail -n 50 /var/log/nginx/error.log", 0),
            (1500, "nginx -t", 0),
            (1480, "systemctl reload nginx", 0),
            (95, "curl -sI http://localhost/", 0)]), address="203.0.113.24"),
        Seat("user_789", "janedoe", "ui", "Firefox", "Linux", Session("demo-sess-4", 8 * MINUTE, [
            (450, "uptime", 0),
            (420, "ps aux --sort=-%cpu | head", 0),
            (140, "kill -9 4711", 1),
            (25, "sudo systemctl restart worker@3", None)]), address="203.0.113.87")]),
    "demo-db-1": ((41.7, 78.3, 63.4), [
        Seat("user_1", "alice", "cli", first=Session("demo-sess-3", 15 * MINUTE, [
            (880, "mysqladmin status", 0),
            (820, "df -h /var/lib/mysql", 0),
            (60, 'journalctl -u mysql --since "1 hour ago"', 0)]), address="198.51.100.7")]),
    "demo-db-2": ((18.9, 74.1, 62.9), [
        Seat("user_1", "alice", "ui", "Safari", "macOS", Session("demo-sess-6", 70 * MINUTE, [
            (4100, r'mysql -e "SHOW SLAVE STATUS\G"', 0),
            (3600, "free -m", 0),
            (310, "echo 'Prüfung beendet ✓' >> /root/NOTES", 0)]), address="198.51.100.7")]),
    "demo-build-1": ((87.2, 55.9, 71.2), [
        Seat("user_456", "johndoe", "cli", first=Session("demo-sess-5", 25 * MINUTE, [
            (1400, "docker ps", 0),
            (1370, "docker logs --tail 100 runner-7", 0),
            (700, "docker system prune -f", 0)]), address="203.0.113.24")]),
    "demo-dev-1": ((12.3, 44.8, 33.7), [
        Seat("user_456", "johndoe", "vscode", first=Session("demo-sess-2", 130 * MINUTE, [
            (7700, "git switch -c fix/paging", 0),
            (6900, "make -j8", 2),
            (6720, "make -j8", 0),
            (6600, "make check", 0),
            (1210, 'git commit -am "Fix paging"', 0),
            (1190, "git push", 0)]), address="203.0.113.24")]),
    "demo-shop-1": ((33.8, 52.7, 40.9), [
        Seat("user_900", "bob", "ui", "Edge", "Windows", Session("demo-sess-7", 35 * MINUTE, [
            (2000, "pm2 list", 0),
            (1950, "pm2 logs storefront --lines 20", 0),
            (180, "pm2 reload storefront", 0)]), address="2001:db8:20::5")]),
    "demo-shop-2": ((7.1, 49.3, 40.6), []),
    "demo-order-1": ((52.4, 81.5, 77.5), [
        Seat("user_900", "bob", "vscode", first=Session("demo-sess-8", 3 * HOUR, [
            (10500, "psql --version", 127),
            (10400, "mysql --version", 0),
            (900, "mysqldump --single-transaction orders | gzip > orders.sql.gz", 0)]),
             address="2001:db8:20::5")]),
}
FIRST_FREE = 13  # demo.sql has the sessions up to 12


def fleet(url, key, habits):
    numbers = itertools.count(FIRST_FREE)
    return [Machine(Agent(url, agent_id, agent_token(key, agent_id)), seats, usage, habits,
                    lambda: f"demo-sess-{next(numbers)}")
            for agent_id, (usage, seats) in MACHINES.items()]
