"""`make secrets`: passwords, certificates and a key file for deploy/compose/secured.yml, in `.secrets/`.

What is there stays: a second run changes nothing. `ARGS=--renew` makes everything anew; then start the stack again, and
the set-up step gives the users their new passwords. Standard library and `openssl`. The folder is for its owner alone;
the files in it can be read by the containers they are mounted into, whose users are others.
"""

import json
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".secrets"
SERVICES = ("api", "job-worker", "result-worker", "dlq-worker")
DAYS = "825"
AUTHORITY = "/run/secrets/ca.crt"


def openssl(*arguments: str | Path) -> None:
    """Run openssl in the folder; end with its own words when it fails."""
    done = subprocess.run(["openssl", *map(str, arguments)], cwd=FOLDER, capture_output=True, check=False)
    if done.returncode:
        sys.exit(
            f"make secrets: openssl {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}"
        )


def write(name: str, text: str) -> None:
    """Write one file for its containers to read."""
    file = FOLDER / name
    file.write_text(text)
    file.chmod(0o644)


def certificates() -> None:
    """An authority of our own, and a certificate for each server, with its key in the same PEM file."""
    subject = "/O=Jobstream/CN=Jobstream's own authority"
    openssl(
        *("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", DAYS, "-subj", subject),
        *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", "ca.key", "-out", "ca.crt"),
    )
    for server in ("kafka", "mongo"):
        write(f"{server}.ext", f"subjectAltName=DNS:{server},DNS:localhost,IP:127.0.0.1\n")
        openssl(
            *("req", "-newkey", "rsa:3072", "-nodes", "-subj", f"/O=Jobstream/CN={server}"),
            *("-keyout", f"{server}.key", "-out", f"{server}.csr"),
        )
        openssl(
            *("x509", "-req", "-in", f"{server}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", DAYS, "-extfile", f"{server}.ext", "-out", f"{server}.crt"),
        )
        write(f"{server}.pem", "".join((FOLDER / f"{server}.{part}").read_text() for part in ("key", "crt")))
        for part in ("ext", "csr", "key", "crt"):
            (FOLDER / f"{server}.{part}").unlink()
    (FOLDER / "ca.crt").chmod(0o644)


def environment(user: str, password: str, *, kafka: str, mechanism: str, source: str) -> str:
    """What one service is told."""
    options = f"replicaSet=rs0&authSource={source}&tls=true&tlsCAFile={AUTHORITY}"
    return (
        f"KAFKA__BOOTSTRAP_SERVERS={kafka}\nKAFKA__SECURITY_PROTOCOL=SASL_SSL\nKAFKA__SASL_MECHANISM={mechanism}\n"
        f"KAFKA__USERNAME={user}\nKAFKA__PASSWORD={password}\nKAFKA__CA_FILE={AUTHORITY}\n"
        f"MONGO__URI=mongodb://{user}:{password}@mongo:27017/?{options}\n"
    )


def passwords() -> None:
    """A user for each service, and an administrator whom only the set-up step and the servers know."""
    admin = secrets.token_hex(24)
    of = {service: secrets.token_hex(24) for service in SERVICES}
    for service in SERVICES:
        write(
            f"{service}.env",
            environment(
                service, of[service], kafka="kafka:9092", mechanism="SCRAM-SHA-512", source="jobstream"
            ),
        )
    told = environment("admin", admin, kafka="kafka:9094", mechanism="PLAIN", source="admin")
    write("setup.env", f"{told}ACCESS__PASSWORDS={json.dumps(of)}\n")
    login = f'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="{admin}"'
    listeners = ("ADMIN", "CONTROLLER")
    lines = [
        f'KAFKA_LISTENER_NAME_{n}_PLAIN_SASL_JAAS_CONFIG={login} user_admin="{admin}";' for n in listeners
    ]
    write("kafka.env", "\n".join(lines) + "\n")
    write("mongo.env", f"MONGO_ADMIN_PASSWORD={admin}\n")
    write("mongo.key", secrets.token_urlsafe(700)[:900].replace("-", "+").replace("_", "/") + "\n")


def main() -> None:
    """Make what is not there."""
    if shutil.which("openssl") is None:
        sys.exit("make secrets: needs openssl")
    if "--renew" in sys.argv:
        shutil.rmtree(FOLDER, ignore_errors=True)
    done = FOLDER / "setup.env"
    if not done.exists():
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        certificates()
        passwords()
        print(f"· made {FOLDER.relative_to(ROOT)}/: keep it to yourself, and a copy of it safe")
    print("· docker compose -f docker-compose.yml -f deploy/compose/secured.yml up --build")


if __name__ == "__main__":
    main()
