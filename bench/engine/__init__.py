"""The exported search beside CTranslate2 and the bound: `python -m bench.engine`."""
