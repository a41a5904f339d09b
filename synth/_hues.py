"""Hues of the accessories: as things have them, and spread so that colour alone tells many apart.

Keys have none: their colour is drawn anew for every picture.
"""

from __future__ import annotations

HUES = {
    "heart": 0.97,
    "apple": 0.995,
    "magnet": 0.015,
    "cherry": 0.945,
    "mushroom": 0.03,
    "fish": 0.045,
    "carrot": 0.06,
    "pumpkin": 0.075,
    "ladder": 0.09,
    "snail": 0.105,
    "pencil": 0.12,
    "bell": 0.135,
    "star": 0.15,
    "sun": 0.165,
    "banana": 0.18,
    "moon": 0.2,
    "pear": 0.23,
    "arrow": 0.265,
    "leaf": 0.3,
    "sock": 0.335,
    "tree": 0.37,
    "glove": 0.41,
    "feather": 0.44,
    "spoon": 0.47,
    "diamond": 0.5,
    "bone": 0.525,
    "bird": 0.55,
    "cloud": 0.575,
    "fork": 0.6,
    "book": 0.625,
    "padlock": 0.65,
    "hammer": 0.675,
    "envelope": 0.7,
    "ghost": 0.725,
    "shoe": 0.755,
    "hat": 0.785,
    "crown": 0.815,
    "flag": 0.845,
    "butterfly": 0.88,
    "flower": 0.915,
}
