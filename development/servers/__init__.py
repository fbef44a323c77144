"""Private real servers for tests and development: RabbitMQ, MinIO and PostgreSQL.

Each has a folder, ports on 127.0.0.1 and credentials of its own. Nothing here is for production.
"""

from development.servers.base import Server
from development.servers.minio import MinioServer
from development.servers.postgres import PostgresServer
from development.servers.rabbitmq import RabbitmqServer
from development.software import ServerMissingError

__all__ = [
    "MinioServer",
    "PostgresServer",
    "RabbitmqServer",
    "Server",
    "ServerMissingError",
]
