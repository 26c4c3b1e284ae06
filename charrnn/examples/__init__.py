"""From files to the examples that a task learns from.

    sources ──rows──▶ File ──▶ Row, Row, … ──labelled, tagged, series──▶ Example, Example, …

rows        files, compressed ones and data sets → rows with columns and numbers
numbers     numbers as tables write them
times       times as tables write them, and their order
layout      how tables of series are laid out: header, times, index
tags        words of a text, their tags, and the spans that these mark
conll       words and their tags in columns
growing     a series while its rows are read, and what is told of it
labelled    texts with a label each: tables, fastText
tagged      texts with marked spans: CoNLL, records
series      series of numbers: wide, long and ragged tables
pairs       two columns, or two files line by line → pairs of texts
inputs      texts to be answered
"""
