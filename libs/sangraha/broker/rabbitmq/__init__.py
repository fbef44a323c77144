"""The broker protocol on RabbitMQ, 3.10 and later, 4.x included.

Start reading at broker.py: one connection publishes (publisher.py), another consumes
(subscriber.py), and each is made again whenever it is lost (link.py).
"""

from sangraha.broker.rabbitmq.broker import RabbitMQBroker

__all__ = ["RabbitMQBroker"]
