"""From files to the examples that a task learns from.

    sources ──rows──▶ File ──▶ Row, Row, … ──labelled, tagged──▶ Example, Example, …

rows        files, compressed ones and data sets → rows with columns and numbers
labelled    texts with a label each: tables, fastText
inputs      texts to be answered
tagged      texts with marked spans: CoNLL, JSON
pairs       two columns, or two files line by line → pairs of texts
"""
