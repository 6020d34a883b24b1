"""PostgreSQL and RabbitMQ of our own, without Docker: what scripts/services is made of.

place.py     where our files are, which ports are free, the state we remember
process.py   start, recognise and stop processes
packages.py  install Debian packages without starting what is in them
postgres.py  our PostgreSQL, and how to recognise one that is already there
rabbitmq.py  our RabbitMQ (and more nodes for tests), likewise
"""
