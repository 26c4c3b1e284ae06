"""Models behind an API: requests of many clients are written side by side.

    request ──shapes──▶ texts ──scheduler, batch──▶ pieces ──answers──▶ JSON, server-sent events

limits      who may ask, and how much: hosts, origins, keys, bodies; errors as the API gives them
shapes      what the API takes, each field with its bounds
texts       one text that a client waits for, between the two threads
batch       texts of one model, a token of each at a step
long_texts  long ones, many tokens of each at a call in machine code
scheduler   the thread that writes all texts
answers     pieces of texts → what the API gives
service     the models and the places for texts, while the server runs
app         the paths of the API
server      the socket, and how it ends
"""
