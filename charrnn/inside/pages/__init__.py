"""What a network does, as a page that opens offline.

    model, ids ──pages──▶ one file of HTML

page        a text as one page, coloured by what a unit does

Beside it stand the parts of the page: page.html, page.css and page.js.
"""
