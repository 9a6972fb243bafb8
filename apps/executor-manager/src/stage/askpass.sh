#!/bin/sh
# What git asks for a name or a password: both from its environment, so that no token is on a command line or on a disk.
case "$1" in
  Username*) printf '%s\n' "${TUTTI_GIT_USER}" ;;
  *) printf '%s\n' "${TUTTI_GIT_TOKEN}" ;;
esac
