"""The same of galleries in PostgreSQL, too."""

from ._gallery import *
