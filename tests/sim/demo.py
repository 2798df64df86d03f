# SPDX-License-Identifier: MIT
"""The machines of the demo that are online (db/demo.sql has all of them), and who is at them."""
import itertools

from machines import Machine, Seat, Session
from protocol import Agent, agent_token

MINUTE, HOUR = 60, 3600

MACHINES = {  # usage of cpu, memory and disk, and the seats
    "demo-prod-1": ((25.5, 60.2, 48.1), [
        Seat("user_456", "johndoe", "ui", "Chrome", "macOS", Session("demo-sess-1", 40 * MINUTE, [
            (2340, "systemctl status nginx", True),
            (2310, "tail -n 50 /var/log/nginx/error.log", True),
            (1500, "nginx -t", True),
            (1480, "systemctl reload nginx", True),
            (95, "curl -sI http://localhost/", True)])),
        Seat("user_789", "janedoe", "ui", "Firefox", "Linux", Session("demo-sess-4", 8 * MINUTE, [
            (450, "uptime", True),
            (420, "ps aux --sort=-%cpu | head", True),
            (140, "kill -9 4711", False),
            (25, "sudo systemctl restart worker@3", None)]))]),
    "demo-db-1": ((41.7, 78.3, 63.4), [
        Seat("user_1", "alice", "cli", first=Session("demo-sess-3", 15 * MINUTE, [
            (880, "mysqladmin status", True),
            (820, "df -h /var/lib/mysql", True),
            (60, 'journalctl -u mysql --since "1 hour ago"', True)]))]),
    "demo-db-2": ((18.9, 74.1, 62.9), [
        Seat("user_1", "alice", "ui", "Safari", "macOS", Session("demo-sess-6", 70 * MINUTE, [
            (4100, r'mysql -e "SHOW SLAVE STATUS\G"', True),
            (3600, "free -m", True),
            (310, "echo 'Prüfung beendet ✓' >> /root/NOTES", True)]))]),
    "demo-build-1": ((87.2, 55.9, 71.2), [
        Seat("user_456", "johndoe", "cli", first=Session("demo-sess-5", 25 * MINUTE, [
            (1400, "docker ps", True),
            (1370, "docker logs --tail 100 runner-7", True),
            (700, "docker system prune -f", True)]))]),
    "demo-dev-1": ((12.3, 44.8, 33.7), [
        Seat("user_456", "johndoe", "vscode", first=Session("demo-sess-2", 130 * MINUTE, [
            (7700, "git switch -c fix/paging", True),
            (6900, "make -j8", False),
            (6720, "make -j8", True),
            (6600, "make check", True),
            (1210, 'git commit -am "Fix paging"', True),
            (1190, "git push", True)]))]),
    "demo-shop-1": ((33.8, 52.7, 40.9), [
        Seat("user_900", "bob", "ui", "Edge", "Windows", Session("demo-sess-7", 35 * MINUTE, [
            (2000, "pm2 list", True),
            (1950, "pm2 logs storefront --lines 20", True),
            (180, "pm2 reload storefront", True)]))]),
    "demo-shop-2": ((7.1, 49.3, 40.6), []),
    "demo-order-1": ((52.4, 81.5, 77.5), [
        Seat("user_900", "bob", "vscode", first=Session("demo-sess-8", 3 * HOUR, [
            (10500, "psql --version", False),
            (10400, "mysql --version", True),
            (900, "mysqldump --single-transaction orders | gzip > orders.sql.gz", True)]))]),
}
FIRST_FREE = 13  # demo.sql has the sessions up to 12


def fleet(url, key, habits):
    numbers = itertools.count(FIRST_FREE)
    return [Machine(Agent(url, agent_id, agent_token(key, agent_id)), seats, usage, habits,
                    lambda: f"demo-sess-{next(numbers)}")
            for agent_id, (usage, seats) in MACHINES.items()]
